# Stands in for prom/prometheus: Debian's Prometheus.
ARG BASE
FROM ${BASE}
RUN mkdir -p /prometheus && chown nobody /prometheus
VOLUME /prometheus
WORKDIR /prometheus
USER nobody
EXPOSE 9090
ENTRYPOINT ["/usr/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
