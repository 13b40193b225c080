# Two stages: the first builds, the second holds Python and the installed program only.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/poll-bridge
COPY pyproject.toml README.md LICENSE ./
COPY bridge bridge
RUN /opt/poll-bridge/bin/pip install --no-cache-dir '.[postgres,otel]'

FROM python:3.13-slim
LABEL org.opencontainers.image.title="poll-bridge" \
      org.opencontainers.image.description="Turns job APIs that must be polled into ones that call back" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/poll-bridge /opt/poll-bridge
# A number, so that Kubernetes can see that it is not root.
RUN groupadd --gid 10001 bridge \
 && useradd --uid 10001 --gid bridge --home-dir /data --no-create-home bridge \
 && install --directory --owner bridge --group bridge --mode 0700 /data
USER 10001:10001
WORKDIR /data
VOLUME /data
ENV PATH=/opt/poll-bridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BRIDGE_LISTEN=0.0.0.0:8080 \
    BRIDGE_DATABASE=sqlite:////data/bridge.db
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["poll-bridge", "health"]
ENTRYPOINT ["poll-bridge"]
CMD ["serve"]
