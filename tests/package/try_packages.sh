#!/usr/bin/env bash
# Installs the packages in a Debian 12 chroot, uses them as an operator and as
# users would, upgrades under a running daemon, and purges. Root only; not part
# of ./dev test, for it takes a chroot:
#
#   debootstrap --variant=minbase bookworm CHROOT
#   cpack --config build/release/CPackConfig.cmake -B OLD
#   cpack --config build/release/CPackConfig.cmake -B NEW -D CPACK_PACKAGE_VERSION=0.1.1
#   tests/package/try_packages.sh CHROOT OLD NEW
#
# A chroot has no systemd as its first process. What its units would do is done
# here by systemd's own tools: systemd-sysusers and systemd-tmpfiles by the
# package, the socket by systemd-socket-activate.
set -euo pipefail
chroot=${1:?chroot} old=${2:?directory of packages} new=${3:?directory of newer ones}
failures=0

say() { printf '\n== %s\n' "$*"; }
inside() { chroot "$chroot" env -u LAMINA_ENDPOINT PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
as() { # USER COMMAND...
  local user=$1
  shift
  inside setpriv --reuid="$user" --regid="$user" --init-groups \
    env LAMINA_ENDPOINT=unix:/run/lamina/lamina.sock "$@"
}
alice() { as alice lamina "$@"; }
bob() { as bob lamina "$@"; }
# What is expected to work, or to fail with these words.
works() { printf '$ %s\n' "$*"; "$@" || { echo "FAILED"; failures=$((failures + 1)); }; }
refused() { # WORDS COMMAND...
  local words=$1 said
  shift
  printf '$ %s\n' "$*"
  if said=$("$@" 2>&1) || ! grep -q "$words" <<<"$said"; then
    echo "FAILED: expected a refusal with '$words', got: $said"
    failures=$((failures + 1))
  else
    echo "$said"
  fi
}

start() { # more arguments of laminad
  chroot "$chroot" rm -f /run/lamina/lamina.sock
  chroot "$chroot" systemd-socket-activate -E LAMINA_EXECUTED_AGAIN=1 -E OMP_WAIT_POLICY=passive \
    -l /run/lamina/lamina.sock \
    setpriv --reuid=lamina --regid=lamina --init-groups laminad --config /etc/lamina/lamina.yaml \
    >"$chroot/var/log/laminad" 2>&1 &
  daemon=$!
  until [ -S "$chroot/run/lamina/lamina.sock" ]; do sleep 0.1; done
  inside chgrp lamina /run/lamina/lamina.sock
  inside chmod 0660 /run/lamina/lamina.sock
  until as alice lamina --json models 2>/dev/null | grep -q '"health": *"up"'; do sleep 0.2; done
}
stop() {
  kill -TERM "$daemon"
  wait "$daemon" || { echo "FAILED: ended with $?"; failures=$((failures + 1)); }
}
lamina_at() { # ENDPOINT TOKEN COMMAND...
  local endpoint=$1 token=$2
  shift 2
  inside setpriv --reuid=bob --regid=bob --init-groups env LAMINA_TOKEN="$token" \
    LAMINA_TLS_CA=/etc/lamina/certificate.pem lamina --endpoint "$endpoint" "$@"
}

mountpoint -q "$chroot/proc" || mount -t proc proc "$chroot/proc"
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; umount "$chroot/proc"' EXIT
echo "127.0.0.1 localhost" >"$chroot/etc/hosts"
mkdir -p "$chroot/packages"
cp "$old"/*.deb "$new"/*.deb "$chroot/packages/"
old_version=$(dpkg-deb -f "$old"/laminad_*.deb Version)
new_version=$(dpkg-deb -f "$new"/laminad_*.deb Version)
packages_of() { echo "/packages/laminad_$1_amd64.deb" "/packages/lamina_$1_amd64.deb" \
  "/packages/liblamina-dev_$1_amd64.deb"; }
export DEBIAN_FRONTEND=noninteractive

say "install"
# shellcheck disable=SC2046
works inside apt-get install -y -q --no-install-recommends $(packages_of "$old_version") \
  libopenblas0-openmp
works inside getent passwd lamina
works inside stat -c '%A %U %G %n' /var/lib/lamina /etc/lamina/lamina.yaml /run/lamina
works inside laminad --version
works inside laminad --config /etc/lamina/lamina.yaml --check-config
inside useradd -m alice 2>/dev/null || true
inside useradd -m bob 2>/dev/null || true
inside usermod -aG lamina alice

say "a member of group lamina, and a stranger"
start
works alice models
works alice generate --wait-durable --max-new-tokens 12 "The captain looked out"
works alice lens last 3
refused "you may not use" bob models

say "over TCP, with and without a token; with TLS"
stop
# With this machine's openssl: a bare chroot has none, and laminad needs none.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
  -subj /CN=lamina -addext subjectAltName=DNS:localhost -keyout "$chroot/etc/lamina/key.pem" \
  -out "$chroot/etc/lamina/certificate.pem" 2>/dev/null
inside chgrp lamina /etc/lamina/key.pem
inside chmod 0640 /etc/lamina/key.pem
inside chmod 0644 /etc/lamina/certificate.pem
sed -i 's|^listen:.*|listen: [unix:/run/lamina/lamina.sock, tcp://127.0.0.1:17345, tls://127.0.0.1:17346]\ntls: {certificate: /etc/lamina/certificate.pem, key: /etc/lamina/key.pem}|' \
  "$chroot/etc/lamina/lamina.yaml"
token=$(inside laminad --config /etc/lamina/lamina.yaml --add-token bob)
inside chgrp lamina /etc/lamina/tokens
inside chmod 0640 /etc/lamina/tokens
start
refused unauthenticated lamina_at tcp://127.0.0.1:17345 "" models
works lamina_at tcp://127.0.0.1:17345 "$token" models
works lamina_at tls://localhost:17346 "$token" generate --max-new-tokens 5 "In the morning"
refused "cannot be trusted" lamina_at tls://127.0.0.1:17346 "$token" models
works lamina_at tls://localhost:17346 "$token" conversations list

say "upgrade under a running daemon"
# shellcheck disable=SC2046
works inside dpkg -i $(packages_of "$new_version")
works alice ping
stop
start
works alice conversations list
works alice conversations show last

say "remove, then purge"
stop
daemon=
works inside dpkg --remove laminad lamina liblamina-dev
works inside ls /var/lib/lamina /etc/lamina
works inside dpkg --purge laminad lamina liblamina-dev
refused "No such file" inside ls /var/lib/lamina
refused "No such file" inside ls /etc/lamina
works inside getent passwd lamina

say "$failures failures"
[ "$failures" -eq 0 ]
