# The service in an image of its own size: static programs, CA certificates, time zones inside the programs.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
# What `chat version` and the image's labels say.
ARG VERSION=dev REVISION=unknown
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -tags timetzdata,kubernetes \
    -ldflags="-s -w -X chat-system/internal/telemetry.Version=$VERSION -X chat-system/internal/telemetry.Revision=$REVISION" -o /out/ ./cmd/chat ./cmd/backup-controller

# The same beside Redis' programs, with which backups are taken, checked and restored: compose.yaml's service cli.
FROM redis:8.0 AS cli
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/chat /usr/local/bin/chat
ENTRYPOINT ["/usr/local/bin/chat"]

FROM scratch
ARG VERSION=dev REVISION=unknown
LABEL org.opencontainers.image.title="chat-system" \
      org.opencontainers.image.description="A multi-tenant chat store with gapless numbers" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/chat /out/backup-controller /
# A number, so that Kubernetes can tell that it is not root. Nothing is written: a read-only root file system will do.
USER 65532:65532
EXPOSE 3000 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/chat", "healthcheck"]
ENTRYPOINT ["/chat"]
CMD ["api"]
