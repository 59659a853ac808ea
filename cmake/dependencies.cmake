# Everything comes from Debian's packages; third-party headers are SYSTEM, so
# that our warnings are about our code.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
if(NOT LAMINA_FUZZ)  # clang's is a package of its own, and nothing needs it
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()
find_package(OpenSSL REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_program(FLATC flatc REQUIRED)

# Debian's TorchConfig.cmake pulls CUDA and Caffe2 checks that a bare machine
# does not need, so the three libraries are named here.
find_library(TORCH_LIBRARY torch REQUIRED)
find_library(TORCH_CPU_LIBRARY torch_cpu REQUIRED)
find_library(C10_LIBRARY c10 REQUIRED)
find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/torch.h REQUIRED)
add_library(lamina_torch INTERFACE)
target_include_directories(lamina_torch SYSTEM INTERFACE
  ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
target_link_libraries(lamina_torch INTERFACE
  ${TORCH_LIBRARY} ${TORCH_CPU_LIBRARY} ${C10_LIBRARY})

# A libtorch with CUDA has its kernels in libraries that register themselves
# when they are loaded, so they are linked though no symbol of theirs is used.
# Of CUDA itself our code calls cudaMemGetInfo.
find_library(TORCH_CUDA_LIBRARY torch_cuda)
find_library(C10_CUDA_LIBRARY c10_cuda)
if(TORCH_CUDA_LIBRARY AND C10_CUDA_LIBRARY)
  # CMake 3.25's FindCUDAToolkit fails on toolkits without nvToolsExt.
  find_path(CUDART_INCLUDE_DIR cuda_runtime_api.h REQUIRED
            PATHS /usr/local/cuda PATH_SUFFIXES include)
  find_library(CUDART_LIBRARY cudart REQUIRED
               PATHS /usr/local/cuda PATH_SUFFIXES lib64)
  target_include_directories(lamina_torch SYSTEM INTERFACE
                             ${CUDART_INCLUDE_DIR})
  target_compile_definitions(lamina_torch INTERFACE LAMINA_CUDA)
  target_link_libraries(lamina_torch INTERFACE
    -Wl,--push-state,--no-as-needed ${TORCH_CUDA_LIBRARY} ${C10_CUDA_LIBRARY}
    -Wl,--pop-state ${CUDART_LIBRARY})
endif()
message(STATUS "libtorch with CUDA: ${TORCH_CUDA_LIBRARY}")
add_library(lamina::torch ALIAS lamina_torch)

# tsan does not know the fences with which Asio brackets its handlers; the
# queue's mutex orders them anyway.
add_library(lamina_asio INTERFACE)
target_link_libraries(lamina_asio INTERFACE Boost::headers Threads::Threads)
if(LAMINA_SANITIZE STREQUAL "thread")
  target_compile_definitions(lamina_asio INTERFACE
                             BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()
add_library(lamina::asio ALIAS lamina_asio)

# CAF ships no CMake files in Debian. LAMINA_CAF_ROOT names a sanitised build.
if(LAMINA_CAF_ROOT)
  find_library(CAF_CORE_LIBRARY caf_core REQUIRED NO_DEFAULT_PATH
               PATHS ${LAMINA_CAF_ROOT}/lib)
  find_path(CAF_INCLUDE_DIR caf/actor.hpp REQUIRED NO_DEFAULT_PATH
            PATHS ${LAMINA_CAF_ROOT}/include)
else()
  find_library(CAF_CORE_LIBRARY caf_core REQUIRED)
  find_path(CAF_INCLUDE_DIR caf/actor.hpp REQUIRED)
endif()
add_library(lamina_caf INTERFACE)
if(LAMINA_CAF_ROOT)
  target_include_directories(lamina_caf SYSTEM INTERFACE ${CAF_INCLUDE_DIR})
endif()
target_link_libraries(lamina_caf INTERFACE ${CAF_CORE_LIBRARY}
                                           Threads::Threads)
# Its headers bind a reference to an absent tuple where an actor takes no
# arguments, and never use it; a null that is read is address's to find.
if(LAMINA_SANITIZE STREQUAL "address")
  target_compile_options(lamina_caf INTERFACE -fno-sanitize=null)
endif()
add_library(lamina::caf ALIAS lamina_caf)

# name: target, package for pkg-config
function(lamina_pkg name package)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${package})
  add_library(lamina::${name} ALIAS PkgConfig::${name})
endfunction()
lamina_pkg(lmdb lmdb)
lamina_pkg(zstd libzstd)
lamina_pkg(xxhash libxxhash)
lamina_pkg(pcre2 libpcre2-8)
lamina_pkg(hwy libhwy)
lamina_pkg(systemd libsystemd)
