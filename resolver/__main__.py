"""``python -m resolver`` is ``handle-resolver``."""

from resolver.cli import main

if __name__ == "__main__":
    main()
