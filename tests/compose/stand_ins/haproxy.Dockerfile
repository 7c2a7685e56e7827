# Stands in for haproxy:2.6: Debian's HAProxy, started as the official image starts it.
ARG BASE
FROM ${BASE}
COPY haproxy.sh /usr/local/bin/
USER haproxy
STOPSIGNAL SIGUSR1
ENTRYPOINT ["haproxy.sh"]
CMD ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
