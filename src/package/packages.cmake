# `cpack -G DEB` in a build folder: libarca0 (what programs run with), libarca-dev (what they are built with), arca-tools.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME arca)
set(CPACK_PACKAGE_CONTACT "Arca <arca@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL runtime development)
if(TARGET arca-tool)
  list(APPEND CPACK_COMPONENTS_ALL tools)
endif()

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libarca0)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION 
  "Preloaded or linked, it takes the place of libc's malloc. libarcagc has reference-counted objects and a concurrent
collector of their cycles. This package has the shared libraries.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libarca-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libarca0 (= ${PROJECT_VERSION}), liburcu-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION 
  "This package has what programs are built with that call Arca by its own names: headers, static libraries, and the
files of pkg-config and CMake.")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME arca-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "libarca0 (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_TOOLS_DESCRIPTION 
  "This package has the program arca, which runs programs under Arca and looks at those that are.")

set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/needs.cmake)
include(CPack)
