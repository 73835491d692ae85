# A member's node, from the same lock as everywhere else; no compiler in any stage.
#   docker build -t quorate .
#   docker run -v member-data:/var/lib/quorate -p 4001:4001 -p 127.0.0.1:7750:7750 -p 127.0.0.1:7760:7760 quorate start
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY requirements-setup.lock requirements.lock ./
# Every file is checked against its hash; the two sources among them are built by the locked setuptools.
RUN python -m venv --without-pip /opt/quorate \
 && pip install --no-deps --require-hashes --only-binary :all: -r requirements-setup.lock \
 && uv pip install --python /opt/quorate --no-deps --require-hashes -r requirements-setup.lock \
 && uv pip install --python /opt/quorate --no-deps --require-hashes --no-build-isolation --compile-bytecode \
        -r requirements.lock
COPY . .
RUN uv pip install --python /opt/quorate --no-deps --no-build-isolation --compile-bytecode . \
 && uv pip uninstall --python /opt/quorate setuptools uv

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/quorate quorate
COPY --from=build /opt/quorate /opt/quorate
# Inside a container every interface is its own; what -p publishes decides who reaches them.
ENV PATH=/opt/quorate/bin:$PATH \
    QUORATE_DATA=/var/lib/quorate \
    QUORATE_LISTEN=/ip4/0.0.0.0/tcp/4001 \
    QUORATE_API_HOST=0.0.0.0 \
    QUORATE_OPS_ADDRESS=0.0.0.0:7760 \
    QUORATE_LOG_FORMAT=json
USER quorate
WORKDIR /var/lib/quorate
VOLUME /var/lib/quorate
# The network of members, the API, probes and metrics.
EXPOSE 4001 7750 7760
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7760/livez', timeout=2)"]
ENTRYPOINT ["quorate"]
CMD ["start"]
