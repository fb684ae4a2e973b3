# Two images: `l4xds`, the daemon, and `echo`, the stand-in backend of the compose demo.
#
#   docker build --target l4xds -t l4xds .

FROM golang:1.26.8 AS build
WORKDIR /src
# The modules are a layer of their own: a change of the code does not fetch them again.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/l4xds ./cmd/l4xds \
 && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/echo ./deploy/compose/echo

FROM gcr.io/distroless/static-debian12:nonroot AS echo
COPY --from=build /out/echo /echo
ENTRYPOINT ["/echo"]

FROM gcr.io/distroless/static-debian12:nonroot AS l4xds
COPY --from=build /out/l4xds /l4xds
# 18000 is the xDS address, 19000 the admin address. Both listen on loopback unless the command says otherwise.
EXPOSE 18000 19000
HEALTHCHECK CMD ["/l4xds", "probe", "ready"]
ENTRYPOINT ["/l4xds"]
CMD ["serve"]
