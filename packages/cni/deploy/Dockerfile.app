# An application that uses its port as any user: here the DNS responder of examples/udp-service. From the root of the repository:
#   docker build -f packages/cni/deploy/Dockerfile.app -t vio-app .
FROM docker.io/library/node:22-bookworm AS build
WORKDIR /src
COPY . .
RUN npm run setup && \
    node_modules/.bin/pnpm --filter @vio-examples/udp-service --prod --legacy deploy /out/examples/udp-service

FROM docker.io/library/node:22-bookworm-slim
COPY --from=build /out /opt/vio
ENV NODE_ENV=production
USER 1000:1000
ENTRYPOINT ["node", "/opt/vio/examples/udp-service/dist/main.js"]
