# make demo    install what is missing, build in release, predict LLM strong scaling
# make test    install what is missing, build in debug, run the tests
# make runtime  install Open MPI and CMake if missing, build what runs schedules on CPUs
# make bench   measure the engine: event queue, messages per second, every target
# make bench PEERS=1  the same, and its problems on SimGrid, which is installed for it
# make figures how fast studies are answered and stored, against what is asked
# make gate    the same in short, failing on a gross regression
# make accuracy  hold predictions against measurements, write docs/accuracy.md
# make nvrar   compare NVRAR with NCCL, write docs/nvrar.md
# make format  format the sources in place

.PHONY: demo test runtime runtime-setup bench figures gate accuracy nvrar format lint setup release

WEFT := .build/release/weft
DEMO := $(WEFT) predict --batch 8 --all-reduce nccl,nvrar

# The smallest machine that holds a model, then powers of two up to 128 GPUs: tensor parallel over
# all GPUs against tensor parallel in the node with pipelining between nodes.
demo: release
	@echo "\nDecode-heavy: 8 prompts of 1024 tokens, 1024 new tokens each"
	@$(DEMO) --model llama-3.1-70b --topology perlmutter --gpus 4,8,16,32,64,128 --plan tp,tp4xpp
	@$(DEMO) --model llama-3.1-405b --topology perlmutter --gpus 32,64,128 --plan tp,tp4xpp
	@$(DEMO) --model llama-3.1-70b --topology vista --gpus 2,4,8,16,32,64,128 --plan tp,tp1xpp
	@$(DEMO) --model llama-3.1-405b --topology vista --gpus 16,32,64,128 --plan tp,tp1xpp
	@echo "\nPrefill-heavy: 8 prompts of 8192 tokens, 32 new tokens each"
	@$(DEMO) --model llama-3.1-70b --topology perlmutter --gpus 8,16,32,64 --plan tp,tp4xpp \
	  --prompt 8192 --decode 32
	@$(DEMO) --model llama-3.1-405b --topology vista --gpus 16,32,64 --plan tp,tp1xpp \
	  --prompt 8192 --decode 32

release: setup
	swift build -c release --product weft

test: setup
	swift build --build-tests
	swift test --skip-build --parallel

runtime: runtime-setup
	$(MAKE) -C Sources/Runtime check

# The benchmarks see internals of the engine, so they are built with testing enabled.
BENCH := swift run --package-path Tests/Benchmarks -c release -Xswiftc -enable-testing weft-bench

SIMGRID := Tests/Benchmarks/.build/simgrid-peer

bench: release $(if $(PEERS),$(SIMGRID))
	$(BENCH)
	@echo
	$(BENCH) --weft $(WEFT)
ifdef PEERS
	@echo
	$(BENCH) --peers $(SIMGRID)
endif

$(SIMGRID): Tests/Benchmarks/Peers/simgrid.cpp
	@missing=""; \
	[ -e /usr/include/simgrid/s4u.hpp ] || missing="$$missing libsimgrid-dev"; \
	command -v g++ >/dev/null || missing="$$missing g++"; \
	[ -z "$$missing" ] || { \
	  command -v apt-get >/dev/null || { \
	    echo "Please install SimGrid 3.32 or newer and g++" >&2; exit 69; }; \
	  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  echo "Installing:$$missing"; \
	  $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; }
	@mkdir -p $(@D)
	g++ -O2 -std=c++17 $< -lsimgrid -o $@

figures: release
	.ci/figures

gate: setup
	$(BENCH) --gate

# Counts the engine's instructions per event, failing on growth.
.PHONY: instructions
instructions: release
	.ci/instructions

accuracy: release
	.ci/accuracy

nvrar: release
	.ci/nvrar

format:
	swift format --in-place --parallel --recursive Package.swift Sources Tests

lint:
	swift format lint --strict --parallel --recursive Package.swift Sources Tests

# Installs the system libraries that Weft links: GSL for fits, SQLite for stored results, and the
# libxml2 that Foundation reads XML with.
setup:
	@command -v swift >/dev/null || { \
	  echo "Swift 6.2 or newer is not on the PATH; get it from https://www.swift.org/install" >&2; \
	  exit 69; }
	@missing=""; \
	if pkg-config --version >/dev/null 2>&1; then \
	  pkg-config --exists gsl || missing="$$missing libgsl-dev"; \
	  pkg-config --exists sqlite3 || missing="$$missing libsqlite3-dev"; \
	else missing=" libgsl-dev libsqlite3-dev pkg-config"; fi; \
	[ "$$(uname)" != Linux ] || /sbin/ldconfig -p | grep -q libxml2.so || \
	  missing="$$missing libxml2-dev"; \
	[ -z "$$missing" ] && exit 0; \
	if ! command -v apt-get >/dev/null; then \
	  echo "Please install GSL, SQLite and pkg-config with their headers:" >&2; \
	  echo "  Fedora: dnf install gsl-devel sqlite-devel pkgconf" >&2; \
	  echo "  macOS:  brew install gsl sqlite pkg-config" >&2; \
	  exit 69; \
	fi; \
	sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "Installing:$$missing"; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing

# Installs the Slurm of one node that tests submit to; elsewhere than on Debian, and without root,
# these tests are skipped.
.PHONY: slurm-setup
slurm-setup:
	@missing=""; \
	for program in slurmctld slurmd munged sbatch; do \
	  PATH="$$PATH:/usr/sbin" command -v $$program >/dev/null || missing=1; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "slurm: not installed, so its tests are skipped" >&2; exit 0; \
	fi; \
	echo "Installing: slurmctld slurmd slurm-client munge"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	  --no-install-recommends slurmctld slurmd slurm-client munge || \
	  echo "slurm: cannot be installed, so its tests are skipped" >&2

runtime-setup:
	@missing=""; \
	command -v mpicxx >/dev/null && command -v mpirun >/dev/null || \
	  missing="$$missing openmpi-bin libopenmpi-dev"; \
	command -v cmake >/dev/null || missing="$$missing cmake"; \
	command -v g++ >/dev/null || missing="$$missing g++"; \
	[ -z "$$missing" ] && exit 0; \
	if ! command -v apt-get >/dev/null; then \
	  echo "Please install MPI, CMake and a C++ compiler:" >&2; \
	  echo "  Fedora: dnf install openmpi-devel cmake gcc-c++" >&2; \
	  echo "  macOS:  brew install open-mpi cmake" >&2; \
	  exit 69; \
	fi; \
	sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "Installing:$$missing"; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing
