# Stands in for redis:7: Debian's redis-server.
ARG BASE
FROM ${BASE}
RUN mkdir /data && chown redis /data
VOLUME /data
WORKDIR /data
USER redis
EXPOSE 6379
CMD ["redis-server", "--protected-mode", "no"]
