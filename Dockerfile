# The image of `npm run image` for people who build with Docker, also for other platforms:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=0.1.0-$(git rev-parse --short=12 HEAD) .
# The build stage runs on the target platform: the package `node` brings the program of the platform it is installed on.
ARG DEBIAN=trixie
FROM node:24-${DEBIAN}-slim AS build
ARG VERSION
ARG SOURCE_DATE_EPOCH=0
WORKDIR /plimsoll
COPY . .
RUN npm run image -- --tag "${VERSION:?set it with --build-arg VERSION=…}" --root /root-file-system

FROM scratch
ARG VERSION
COPY --from=build /root-file-system/ /
USER 65532:65532
ENV PATH=/usr/bin HOME=/var/lib/plimsoll PLIMSOLL_DATA_DIR=/var/lib/plimsoll
LABEL org.opencontainers.image.title=plimsoll org.opencontainers.image.version=${VERSION} org.opencontainers.image.licenses=Apache-2.0 plimsoll.sbom.path=/usr/share/sbom/plimsoll.cdx.json
ENTRYPOINT ["/usr/bin/plimsoll"]
CMD ["help"]
