"""The only sockets that this package opens towards handle servers, and the policy that guards them."""
