# One container with web server, worker and (without a key) simulator. `make install` installs the packages.
FROM python:3.11-slim

RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --home-dir /app klingweb && install -d -o klingweb /data
WORKDIR /app
USER klingweb

COPY --chown=klingweb Makefile requirements.lock ./
RUN make install

COPY --chown=klingweb . .
ENV KLINGWEB_DATA_DIR=/data KLINGWEB_BIND=0.0.0.0 PORT=8000 PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["/app/.venv/bin/python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz')"]
# Without make, so that SIGTERM reaches `manage.py run`, which stops its processes.
CMD ["/app/.venv/bin/python", "manage.py", "run"]
