# The resolver as an image: built in one stage, run from another that holds nothing but Python and the packages.
ARG PYTHON=3.11

FROM docker.io/library/python:${PYTHON}-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/venv
COPY pyproject.toml README.md LICENSE ./
COPY resolver resolver
COPY templates templates
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check . \
 && /opt/venv/bin/python -m compileall -q /opt/venv/lib

FROM docker.io/library/python:${PYTHON}-slim-bookworm
LABEL org.opencontainers.image.title="handle-resolver" \
      org.opencontainers.image.description="HTTP proxy resolver for the Handle System" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    RESOLVER_HOST=0.0.0.0 RESOLVER_ADMIN_HOST=0.0.0.0
# By number, so that an orchestrator can see that it is not root. The root file system may be read-only;
# several workers need a /tmp that can be written.
USER 10001:10001
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s --retries=3 CMD ["handle-resolver", "healthcheck"]
ENTRYPOINT ["handle-resolver"]
CMD ["serve"]
