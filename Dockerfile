# One small image for every process; docker-compose.yml says which one runs.
# What is built twice is the same only with a digest: docs/operations.md, *Supply chain*.
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY requirements.txt requirements-demo.txt ./
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
# What makes the wheel is locked as well, and stays behind.
RUN python -m venv /tools \
 && /tools/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-demo.txt
COPY . .
RUN /tools/bin/python -m hatchling build -t wheel \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps dist/*.whl

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin dingda
COPY --from=build /venv /venv
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER dingda
CMD ["dingda", "gateway"]
