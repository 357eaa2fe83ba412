# Andiron with its embedded domain on port 8000, without TLS: that is for a web
# server on this machine, so the port is published on loopback alone. Accounts,
# messages and files live in the volume. Nothing secret is built in: accounts are
# added when it runs,
#
#     docker build -t andiron .
#     docker run -d --name andiron -p 127.0.0.1:8000:8000 -v andiron:/var/lib/andiron \
#         -e ANDIRON_DOMAIN=chat.example.org -e ANDIRON_TRUSTED_PROXIES=172.17.0.1 andiron
#     docker exec -it andiron andiron user add alice
#
# 172.17.0.1 is how the web server looks from within: the gateway of Docker's usual
# network, or that of a network of your own; the log names one that is not trusted.
#
# Anything from docs/settings.md can be given as ANDIRON_… in the environment, or in
# a file: -v ./andiron.toml:/var/lib/andiron/andiron.toml:ro. Both overrule what the
# image says in /etc/andiron/defaults.toml. Other packages are built in by
# --build-arg ALSO='opentelemetry-distro opentelemetry-exporter-otlp'.
#
# With TLS and PostgreSQL: deploy/compose.yaml.

FROM python:3.13-slim AS build
ARG ALSO=""
WORKDIR /src
COPY . .
RUN python -m venv /opt/andiron \
    && /opt/andiron/bin/pip install --no-cache-dir --no-compile '.[server,postgres,cluster,jwt,ldap,metrics,otel]' $ALSO \
    && /opt/andiron/bin/pip uninstall --yes pip \
    && /opt/andiron/bin/python -m compileall -q /opt/andiron/lib

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Andiron" \
      org.opencontainers.image.description="XMPP for the web inside a Python web site" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 andiron \
    && useradd --system --uid 10001 --gid andiron --home-dir /var/lib/andiron --shell /usr/sbin/nologin andiron \
    && install -d -o andiron -g andiron -m 0750 /var/lib/andiron \
    && install -d -o andiron -g andiron /run/andiron \
    && install -d /etc/andiron \
    && printf '%s\n' \
        'host = "0.0.0.0"' \
        'database = "sqlite:////var/lib/andiron/andiron.db"' \
        'upload_dir = "/var/lib/andiron/andiron-uploads"' \
        > /etc/andiron/defaults.toml
COPY --from=build /opt/andiron /opt/andiron
ENV PATH=/opt/andiron/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ANDIRON_DEFAULTS=/etc/andiron/defaults.toml
USER 10001:10001
WORKDIR /var/lib/andiron
VOLUME /var/lib/andiron
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=10s --start-period=15s --retries=3 \
    CMD ["andiron", "health"]
CMD ["andiron", "serve"]
