# The resolver as an image. One stage builds a virtual environment; the one that runs holds Python and that, nothing else.
# What is installed is locked by hash (requirements/), and nothing in it carries the time of the build: "make image" makes
# the same octets of the same commit. To hold the base still as well, name it by digest:
#   make image BASE=docker.io/library/python@sha256:…
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# Compiled files come at the end, and in the same order of sets each time.
ENV PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python3 -m venv /build \
 && /build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
 && python3 -m venv --without-pip /opt/venv \
 && /build/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --only-binary :all: \
      --require-hashes -r requirements/runtime.txt
# From here on a change of the program rebuilds; the packages above stay in the build cache.
COPY pyproject.toml README.md LICENSE ./
COPY resolver resolver
COPY templates templates
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /build/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-deps --no-index /wheels/*.whl \
 && /opt/venv/bin/python -m compileall -qf --invalidation-mode unchecked-hash /opt/venv/lib \
 && mkdir /state

FROM ${BASE}
LABEL org.opencontainers.image.title="handle-resolver" \
      org.opencontainers.image.description="HTTP proxy resolver for the Handle System" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/venv /opt/venv
# For RESOLVER_STATE_DIR, where a volume is mounted.
COPY --from=build --chown=10001:10001 /state /var/lib/handle-resolver
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    RESOLVER_HOST=0.0.0.0 RESOLVER_ADMIN_HOST=0.0.0.0
# By number, so that an orchestrator can see that it is not root. The root file system may be read-only; a /tmp that can
# be written is needed by several workers, for their metrics, and by forms sent with files.
USER 10001:10001
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s --retries=3 CMD ["handle-resolver", "healthcheck"]
ENTRYPOINT ["handle-resolver"]
CMD ["serve"]
