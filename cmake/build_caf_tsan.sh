#!/usr/bin/env bash
# Builds CAF with -fsanitize=thread from Debian's source package into
# DIRECTORY/install. Debian's own build gives false races under tsan, because
# tsan cannot see the synchronisation inside a library it did not instrument.
# Done once; a second call returns at once.
set -euo pipefail
directory=${1:?usage: build_caf_tsan.sh DIRECTORY}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
[ ! -e "$directory/install/done" ] || exit 0

# A source list of our own, from the same mirror as the binary packages.
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' |
  awk '$1 ~ /debian$/ && $2 == "bookworm" && $3 == "main" {print $1; exit}')
[ -n "$mirror" ] || { echo "no Debian mirror in apt's sources" >&2; exit 1; }
mkdir -p "$directory"/{lists/partial,build}
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
$mirror bookworm main" >"$directory/sources.list"
apt=(apt-get -o "Dir::Etc::SourceList=$directory/sources.list"
  -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$directory/lists"
  -o APT::Sandbox::User=root)
"${apt[@]}" update -q
cd "$directory"
"${apt[@]}" source -q --download-only --tar-only actor-framework
rm -rf source && mkdir source
tar -xf actor-framework_*.orig.tar.* -C source --strip-components=1

cmake -S source -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_FLAGS="-fsanitize=thread -O1 -g1 -w" \
  -DCMAKE_INSTALL_PREFIX="$directory/install" \
  -DCAF_NO_EXAMPLES=ON -DCAF_NO_UNIT_TESTS=ON -DCAF_NO_TOOLS=ON \
  -DCAF_NO_OPENSSL=ON -DCAF_NO_IO=ON -DCAF_NO_PYTHON=ON
cmake --build build -j "${LAMINA_JOBS:-$(nproc)}"
cmake --install build
touch install/done
