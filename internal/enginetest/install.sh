#!/usr/bin/env bash
# Installs what the tests need and lacks here: a C compiler (for -race), a JDK, Maven, MariaDB, Redis and Chromium
# from the distribution's packages, Elasticsearch from Maven Central into the cache folder. Quick when all is there.
# The S3 server (versitygw) and Prometheus with promtool are built from their Go modules, once (some minutes), unless
# CHAT_TEST_VERSITYGW, CHAT_TEST_PROMETHEUS and CHAT_TEST_PROMTOOL name them.
# MariaDB is left out where CHAT_TEST_MYSQLD names another. The Kubernetes API server and etcd are built from their Go
# modules, once (some minutes), unless KUBEBUILDER_ASSETS names a folder that has them.
set -euo pipefail
cd "$(dirname "$0")"

elasticsearch_version=8.19.0
kubernetes_version=v1.37.2
etcd_version=v3.6.16
cache=${XDG_CACHE_HOME:-$HOME/.cache}/chat-system
[ "$(id -u)" != 0 ] || cache=/var/cache/chat-system # Elasticsearch won't run as root, and others can't look into root's home
PATH=$PATH:/usr/sbin

has() { command -v "$1" >/dev/null; }

# The home of a JDK from 17 on; those that this Elasticsearch is made for come first.
java_home() {
  local home
  for home in /usr/lib/jvm/*17* /usr/lib/jvm/*21* "${JAVA_HOME:-}" /usr/lib/jvm/*; do
    [ -x "$home/bin/javac" ] || continue
    [ "$("$home/bin/javac" -version 2>&1 | grep -oE '[0-9]+' | head -n 1)" -ge 17 ] && echo "$home" && return
  done
}

packages() {
  local wanted=()
  has cc || wanted+=(gcc libc6-dev)
  [ -n "$(java_home)" ] || wanted+=(default-jdk-headless)
  has mvn || wanted+=(maven)
  [ -n "${CHAT_TEST_MYSQLD:-}" ] || has mysqld || { has mariadbd && has mariadb-install-db; } ||
    wanted+=(mariadb-server-core mariadb-client-core)
  has redis-server || wanted+=(redis-server)
  has chromium || has chromium-browser || has google-chrome || wanted+=(chromium fonts-dejavu-core)
  [ ${#wanted[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! has apt-get; then
    echo "The tests need these packages (names of Debian and Ubuntu): ${wanted[*]}. Install them, or run \`go test -short ./...\`, which needs none." >&2
    exit 1
  fi
  echo "installing ${wanted[*]}"
  apt-get -o DPkg::Lock::Timeout=300 update -qq
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
}

elasticsearch() {
  local home=$cache/elasticsearch java new plugin wanted
  java=$(java_home)
  wanted="$elasticsearch_version $java $(cat install.sh elasticsearch/src/chat/analysis/*.java elasticsearch/*.json | sha256sum)"
  mkdir -p "$cache"
  exec 9>"$home.lock" && flock 9
  [ "$(cat "$home/stamp" 2>/dev/null)" != "$wanted" ] || return 0
  echo "installing Elasticsearch $elasticsearch_version into $home"
  new=$home.new
  rm -rf "$new" && mkdir -p "$new"
  JAVA_HOME=$java mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -DoutputDirectory="$new" \
    -Dartifact="org.elasticsearch.distribution.integ-test-zip:elasticsearch:$elasticsearch_version:zip"
  (cd "$new" && "$java/bin/jar" xf "elasticsearch-$elasticsearch_version.zip" && rm ./*.zip && mv elasticsearch-*/* . && rmdir elasticsearch-* && chmod +x bin/*)
  plugin=$new/plugins/chat-analysis
  mkdir -p "$plugin"
  "$java/bin/javac" --release 17 -cp "$new/lib/*" -d "$new/classes" elasticsearch/src/chat/analysis/*.java
  "$java/bin/jar" cf "$plugin/chat-analysis.jar" -C "$new/classes" .
  cp elasticsearch/named_components.json "$plugin/"
  printf '%s\n' name=chat-analysis "description=ngram and asciifolding, which the published zip leaves out" version=1 \
    "elasticsearch.version=$elasticsearch_version" java.version=17 >"$plugin/stable-plugin-descriptor.properties"
  echo "$java" >"$new/java-home"
  chmod -R a+rX "$new"
  echo "$wanted" >"$new/stamp"
  rm -rf "$home" && mv "$new" "$home"
}

# build NAME PACKAGE: a program of the module that the current folder requires.
build() { CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags='-s -w' -o "$1" "$2"; }

# tool NAME FLAGS PACKAGE...: programs of the module of tools ../tools/NAME, into a folder of that name.
tool() {
  local name=$1 flags=$2 home=$cache/$1 new wanted package
  shift 2
  wanted=$(cat "../tools/$name/go.mod" "../tools/$name/go.sum" | sha256sum)
  mkdir -p "$cache"
  exec 9>"$home.lock" && flock 9
  [ "$(cat "$home/stamp" 2>/dev/null)" != "$wanted" ] || return 0
  echo "building $name into $home (some minutes, once)"
  new=$home.new
  rm -rf "$new" && mkdir -p "$new"
  for package; do
    (cd "../tools/$name" && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' $flags -o "$new/" "$package")
  done
  echo "$wanted" >"$new/stamp"
  rm -rf "$home" && mv "$new" "$home"
}

kubernetes() {
  local home=$cache/kubernetes new upstream
  [ -z "${KUBEBUILDER_ASSETS:-}" ] || return 0
  mkdir -p "$cache"
  exec 9>"$home.lock" && flock 9
  [ "$(cat "$home/stamp" 2>/dev/null)" != "$kubernetes_version $etcd_version" ] || return 0
  echo "building the Kubernetes API server $kubernetes_version and etcd $etcd_version into $home (some minutes, once)"
  new=$home.new
  rm -rf "$new" && mkdir -p "$new/etcd" "$new/kubernetes"
  (cd "$new/etcd" && printf 'module etcd\n\ngo 1.26\n\nrequire go.etcd.io/etcd/server/v3 %s\n' "$etcd_version" >go.mod &&
    build ../bin/etcd go.etcd.io/etcd/server/v3)
  # Kubernetes requires its own parts as v0.0.0, which its repository replaces by folders and this by what is published.
  upstream=$(go mod download -json "k8s.io/kubernetes@$kubernetes_version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  { printf 'module kubernetes\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes %s\n' "$kubernetes_version"
    awk '/^require \(/,/^\)/' "$upstream"
    grep -oE 'k8s\.io/[a-z0-9-]+ v0\.0\.0( |$)' "$upstream" | awk -v v="v0.${kubernetes_version#v1.}" '{print "replace", $1, "=>", $1, v}' | sort -u
  } >"$new/kubernetes/go.mod"
  (cd "$new/kubernetes" && build ../bin/kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver)
  echo "$kubernetes_version $etcd_version" >"$new/bin/stamp"
  rm -rf "$home" && mv "$new/bin" "$home" && rm -rf "$new"
}

packages
elasticsearch
[ -n "${CHAT_TEST_VERSITYGW:-}" ] || tool versitygw "" github.com/versity/versitygw/cmd/versitygw
[ -n "${CHAT_TEST_PROMETHEUS:-}" ] && [ -n "${CHAT_TEST_PROMTOOL:-}" ] || # without finding targets by clouds and clusters
  tool prometheus "-tags remove_all_sd" github.com/prometheus/prometheus/cmd/{prometheus,promtool}
kubernetes
