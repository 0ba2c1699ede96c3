# The image for those who build with a container engine. `cargo xtask image` makes it
# without one.
FROM rust:1.95.0-alpine AS build
RUN apk add --no-cache gcc musl-dev
WORKDIR /src
COPY . .
# What `--version` tells: git's files are not copied.
ARG COMMIT=unknown
RUN DEVPORTAL_COMMIT="$COMMIT" cargo build --locked --profile image --package devportal
# The operator starts the program as /manager.
RUN mkdir -p /image/etc/ssl/certs \
    && cp target/image/devportal /image/devportal \
    && ln -s devportal /image/manager \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' >/image/etc/passwd \
    && echo 'nonroot:x:65532:' >/image/etc/group

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
ENTRYPOINT ["/devportal"]
