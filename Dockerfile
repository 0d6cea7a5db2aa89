# One small image for every process; docker-compose.yml says which one runs.
FROM python:3.13-slim AS build
WORKDIR /app
COPY requirements.txt .
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin dingda
COPY --from=build /venv /venv
WORKDIR /app
COPY shared shared
COPY gateway gateway
COPY worker worker
COPY simulator simulator
COPY dingda dingda
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER dingda
CMD ["python", "-m", "gateway"]
