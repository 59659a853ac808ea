# How Lamina's own targets are made: one static library a room, one test
# program a library, warnings as errors everywhere.
add_library(lamina_options INTERFACE)
target_include_directories(lamina_options INTERFACE ${PROJECT_SOURCE_DIR}
                                                    ${PROJECT_BINARY_DIR})
# -Wno-restrict: GCC 12 sees overlaps that cannot be in `"x" + std::string`
# (GCC bug 105651, fixed in 13).
target_compile_options(lamina_options INTERFACE
  -Wall -Wextra -Wpedantic -Wnon-virtual-dtor
  $<$<NOT:$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>>:-Wshadow>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> -Werror
  $<$<CONFIG:Release>:-g1>)

if(LAMINA_SANITIZE STREQUAL "address")
  set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(LAMINA_SANITIZE STREQUAL "thread")
  set(sanitize -fsanitize=thread)
elseif(LAMINA_SANITIZE STREQUAL "fuzzer")
  set(sanitize -fsanitize=fuzzer-no-link,address,undefined
               -fno-sanitize-recover=all)
elseif(LAMINA_SANITIZE)
  message(FATAL_ERROR "LAMINA_SANITIZE is '${LAMINA_SANITIZE}': "
                      "expected address, thread or fuzzer")
endif()
if(LAMINA_SANITIZE)
  target_compile_options(lamina_options INTERFACE ${sanitize}
                         -fno-omit-frame-pointer)
  target_link_options(lamina_options INTERFACE ${sanitize})
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# The sanitised presets: several sources of a target in one compilation, which
# reads CAF's headers once for all of them. Only for targets whose sources get
# along; warnings about what only seems to meet are switched off, here and
# above (-Wshadow).
option(LAMINA_UNITY "Compile several sources at a time" OFF)
function(lamina_unity target)
  if(LAMINA_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON
                                               UNITY_BUILD_BATCH_SIZE 7)
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# lamina_library(NAME SOURCES ... PUBLIC ... PRIVATE ...) -> lamina_NAME
function(lamina_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(lamina_${name} STATIC ${arg_SOURCES})
  target_link_libraries(lamina_${name} PUBLIC lamina_options ${arg_PUBLIC}
                                       PRIVATE ${arg_PRIVATE})
endfunction()

# lamina_unit_test(NAME SOURCES ... LIBRARIES ...) -> unit_NAME, in ctest
function(lamina_unit_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(unit_${name} ${arg_SOURCES})
  target_link_libraries(unit_${name} PRIVATE lamina_options ${arg_LIBRARIES}
                        GTest::gmock_main)
  target_compile_definitions(unit_${name} PRIVATE
    LAMINA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_dependencies(unit_tests unit_${name})
  add_test(NAME unit_${name} COMMAND unit_${name})
  set_tests_properties(unit_${name} PROPERTIES LABELS unit TIMEOUT 600
    ENVIRONMENT "OMP_WAIT_POLICY=passive")
endfunction()

# lamina_bench(NAME SOURCES ... LIBRARIES ...)
function(lamina_bench name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE lamina_options ${arg_LIBRARIES})
endfunction()
