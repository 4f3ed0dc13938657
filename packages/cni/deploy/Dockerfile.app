# An application that uses its port as any user: here the DNS responder of examples/udp-service. From the root of the repository:
#   docker build -f packages/cni/deploy/Dockerfile.app -t vio-app .
FROM node:22-bookworm AS build
WORKDIR /src
COPY . .
RUN npm run setup

FROM node:22-bookworm-slim
COPY --from=build /src /opt/vio
ENV NODE_ENV=production
USER 1000:1000
ENTRYPOINT ["node", "/opt/vio/examples/udp-service/dist/main.js"]
