# The gateway's image: the program on `scratch`.
#
#   docker build --build-arg RUST_IMAGE=rust:1.95-slim-bookworm@sha256:… --build-arg REVISION="$(git rev-parse HEAD)" .
#
# scripts/image makes the same image without Docker: it takes the last stage, and a program that was built outside.

# Whatever is built with, it is named by its digest; there is no default, because digests grow old.
ARG RUST_IMAGE

FROM ${RUST_IMAGE} AS build
ARG RUST_IMAGE
RUN case "$RUST_IMAGE" in *@sha256:*) ;; *) echo "RUST_IMAGE needs a digest: $RUST_IMAGE" >&2; exit 1 ;; esac
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates cmake gcc g++ libc6-dev make
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin partner-gateway \
 && scripts/image-root target/release/partner-gateway /image-root

FROM scratch
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="partner-gateway" \
      org.opencontainers.image.description="Lets internal services reject Microsoft Partner Center subscription transfers without holding Partner Center credentials" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image-root/ /
ENV PATH=/usr/local/bin
# A number, so that runAsNonRoot can tell without looking into /etc/passwd.
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/partner-gateway"]
