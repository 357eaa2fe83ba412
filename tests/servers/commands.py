"""How each server that docs/mounting.md names is started, by name."""

APP = "andiron:app"
SERVERS = {
    "andiron serve": lambda port: ["andiron", "serve", "--port", str(port)],
    "uvicorn": lambda port: ["uvicorn", "--port", str(port), APP],
    "uvicorn, wsproto": lambda port: ["uvicorn", "--ws", "wsproto", "--port", str(port), APP],
    "uvicorn, websockets": lambda port: ["uvicorn", "--ws", "websockets", "--port", str(port), APP],
    "uvicorn, no lifespan": lambda port: ["uvicorn", "--lifespan", "off", "--port", str(port), APP],
    "gunicorn, uvicorn's worker": lambda port: [
        *("gunicorn", "--no-control-socket", "--worker-class", "uvicorn_worker.UvicornWorker"),
        *("--bind", f"127.0.0.1:{port}", APP),
    ],
    "gunicorn": lambda port: [
        *("gunicorn", "--no-control-socket", "--worker-class", "asgi"),
        *("--bind", f"127.0.0.1:{port}", APP),
    ],
    "hypercorn": lambda port: ["hypercorn", "--bind", f"127.0.0.1:{port}", APP],
    "hypercorn, no workers": lambda port: [
        *("hypercorn", "--workers", "0", "--bind", f"127.0.0.1:{port}", APP)
    ],
    "granian": lambda port: ["granian", "--interface", "asgi", "--port", str(port), APP],
    "daphne": lambda port: ["daphne", "--bind", "127.0.0.1", "--port", str(port), APP],
}
