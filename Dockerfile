# Andiron with its embedded domain on port 8000; accounts and messages live in
# the volume. Nothing secret is built in: accounts are added when it runs,
#
#     docker build -t andiron .
#     docker run -d --name andiron -p 8000:8000 -v andiron:/var/lib/andiron \
#         -e ANDIRON_DOMAIN=chat.example.org andiron
#     docker exec -it andiron andiron user add alice
#
# Anything from docs/settings.md can be given as ANDIRON_… in the environment.

FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/andiron \
    && /opt/andiron/bin/pip install --no-cache-dir --no-compile '.[server,postgres]' \
    && /opt/andiron/bin/pip uninstall --yes pip \
    && /opt/andiron/bin/python -m compileall -q /opt/andiron/lib

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Andiron" \
      org.opencontainers.image.description="XMPP for the web inside a Python web site" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 andiron \
    && useradd --system --uid 10001 --gid andiron --home-dir /var/lib/andiron --shell /usr/sbin/nologin andiron \
    && install -d -o andiron -g andiron -m 0750 /var/lib/andiron
COPY --from=build /opt/andiron /opt/andiron
ENV PATH=/opt/andiron/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ANDIRON_HOST=0.0.0.0 \
    ANDIRON_PORT=8000 \
    ANDIRON_DATABASE=sqlite:////var/lib/andiron/andiron.db
USER 10001:10001
WORKDIR /var/lib/andiron
VOLUME /var/lib/andiron
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['ANDIRON_PORT']), timeout=3); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["andiron", "serve"]
