# ensure_docker: a reachable Docker Engine for the tests: the one that runs, else Debian's, started by hand with a data folder of its own.
# stop_docker: ends the one that was started here, and no other.
docker_pid=""
docker_data=""

ensure_docker() {
  if docker info >/dev/null 2>&1; then
    echo "docker: using the engine that runs"
    command -v busybox >/dev/null && command -v dockerd >/dev/null && command -v docker-registry >/dev/null || install_packages busybox-static docker.io docker-registry
    return 0
  fi
  if ! command -v dockerd >/dev/null || ! command -v busybox >/dev/null || ! command -v docker-registry >/dev/null; then
    install_packages docker.io busybox-static iptables docker-registry || return 1
  fi
  docker_data="$(mktemp -d)"
  start_dockerd || start_dockerd --iptables=false --bridge=none || {
    echo "docker: the engine does not start; its last lines:"
    tail -n 20 "$docker_data/dockerd.log"
    return 1
  }
}

install_packages() {
  echo "ci: installing $*"
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

start_dockerd() {
  dockerd --data-root "$docker_data/data" --exec-root "$docker_data/exec" --pidfile "$docker_data/pid" "$@" >"$docker_data/dockerd.log" 2>&1 &
  docker_pid=$!
  for _ in $(seq 1 60); do
    docker info >/dev/null 2>&1 && { echo "docker: started an engine (pid $docker_pid)"; return 0; }
    kill -0 "$docker_pid" 2>/dev/null || break
    sleep 0.5
  done
  kill "$docker_pid" 2>/dev/null
  wait "$docker_pid" 2>/dev/null
  docker_pid=""
  return 1
}

stop_docker() {
  [ -n "$docker_pid" ] || return 0
  kill "$docker_pid" 2>/dev/null
  wait "$docker_pid" 2>/dev/null
  rm -rf "$docker_data" 2>/dev/null
}
