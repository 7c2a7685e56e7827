# One image for every service: `docker run shardboard/shardboard <service>`. Two stages, so that nothing of the build
# is shipped. Every package comes from requirements/runtime.txt, where each of its files is pinned by hash.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python3 -m venv --copies /opt/build && python3 -m venv --without-pip /opt/shardboard
WORKDIR /src
# First what changes seldom, so that a change of our own code does not install everything anew.
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN /opt/build/bin/pip install --quiet --require-hashes -r requirements/build.txt \
	&& /opt/build/bin/pip --python /opt/shardboard/bin/python3 install --quiet --no-compile --require-hashes --only-binary :all: \
		-r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE actions.toml ./
COPY contracts contracts
COPY foundation foundation
COPY partitioning partitioning
COPY gateway gateway
COPY shard_worker shard_worker
COPY merger merger
COPY archiver archiver
COPY audit audit
COPY bench bench
COPY shardboard shardboard
# The wheel's time stamps, and bytecode that is checked by its source's hash instead of its time: the same in each build.
ENV SOURCE_DATE_EPOCH=1577836800
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
	&& /opt/build/bin/pip --python /opt/shardboard/bin/python3 install --quiet --no-compile --no-deps --no-index /wheels/*.whl \
	&& find /opt/shardboard -type d \( -name tests -o -name test \) -path '*/numpy/*' -prune -exec rm -rf {} + \
	&& /opt/shardboard/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/shardboard/lib

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Shardboard" \
	org.opencontainers.image.description="A live leaderboard that is exact, durable, fair and fast" \
	org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 shardboard && useradd --uid 10001 --gid 10001 --no-create-home --home-dir / --shell /usr/sbin/nologin shardboard
COPY --from=build /opt/shardboard /opt/shardboard
COPY deploy/healthcheck.sh /usr/local/bin/healthcheck
COPY deploy/setup.sh /usr/local/bin/setup
COPY actions.toml /etc/shardboard/actions.toml
# Nothing is written while it runs: the root file system may be read-only.
ENV PATH=/opt/shardboard/bin:/usr/local/bin:/usr/bin:/bin \
	PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
	SHARDBOARD_ACTIONS_FILE=/etc/shardboard/actions.toml \
	SHARDBOARD_ADMIN_LISTEN=:9090 \
	SHARDBOARD_LISTEN=:8080
USER 10001:10001
WORKDIR /
# 8080: the public port of a gateway. 9090: metrics and health of every service; it does not belong on the internet.
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=300s --retries=3 CMD ["/usr/local/bin/healthcheck"]
ENTRYPOINT ["shardboard"]
CMD ["--help"]
