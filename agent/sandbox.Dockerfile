# The practice chain: the agent image's bundle, anvil for the daemon's platform, and the contracts to deploy.
ARG BASE
FROM ${BASE}
COPY app/ /app/
COPY anvil /usr/local/bin/anvil
COPY artefacts.json.gz /app/sandbox/artefacts.json.gz
WORKDIR /app
ENV NODE_ENV=production ARBDECK_ANVIL=/usr/local/bin/anvil ARBDECK_ARTEFACTS=/app/sandbox/artefacts.json.gz HOME=/tmp
USER 10001:10001
ENTRYPOINT ["node", "/app/main.js"]
