# Govor's server: docker build -t govor . && docker run --rm -p 127.0.0.1:8000:8000 -e GOVOR_TOKEN=… govor
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/govor
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY LICENSES LICENSES
COPY src src
RUN /opt/govor/bin/pip install --no-cache-dir ".[server]"

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home --home-dir /home/govor govor \
 && install -d -o govor -g govor /voice
COPY --from=build /opt/govor /opt/govor
COPY deploy/healthcheck.py /opt/govor/healthcheck.py
ENV PATH=/opt/govor/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER govor
WORKDIR /home/govor
EXPOSE 8000 2700 10300
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["python", "/opt/govor/healthcheck.py"]
STOPSIGNAL SIGTERM
# The model is inside. Other machines are served, so GOVOR_TOKEN must be set.
ENTRYPOINT ["govor", "serve", "--host", "0.0.0.0"]
CMD ["--vosk", "2700", "--wyoming", "10300"]
