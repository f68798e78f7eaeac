# The service in an image of its own size: one static program, CA certificates, time zones inside the program.
FROM golang:1.26 AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags='-s -w' -o /out/ ./cmd/chat

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/chat /chat
# A number, so that Kubernetes can tell that it is not root. Nothing is written: a read-only root file system will do.
USER 65532:65532
EXPOSE 3000 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/chat", "healthcheck"]
ENTRYPOINT ["/chat"]
CMD ["api"]
