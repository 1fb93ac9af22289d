# Run by cpack over the files that a package is made of: what Debian has in another place, or in another form.
if(NOT CPACK_GENERATOR STREQUAL "DEB")
	return()
endif()
set(at ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(share ${CPACK_PACKAGING_INSTALL_PREFIX}/share)

if(EXISTS ${at}/host${share}/zsh/site-functions)
	file(RENAME ${at}/host${share}/zsh/site-functions ${at}/host${share}/zsh/vendor-completions)
endif()

# Its own list of versions, for `apt changelog` and the like, and the license by its name: the text is on every Debian.
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
foreach(one host:tidegate master:tidegate-master)
	string(REGEX MATCH "^[^:]+" component ${one})
	string(REGEX MATCH "[^:]+$" name ${one})
	set(doc ${at}/${component}${share}/doc/${name})
	if(NOT EXISTS ${doc})
		continue()
	endif()
	file(WRITE ${doc}/copyright "Copyright 2026 the authors of Tidegate\n\n"
		"Licensed under the Apache License, Version 2.0, whose text is in\n/usr/share/common-licenses/Apache-2.0.\n")
	file(WRITE ${doc}/changelog "${name} (${CPACK_PACKAGE_VERSION}) stable; urgency=medium\n\n"
		"  * What is new is in /usr/share/doc/tidegate/CHANGELOG.md.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${now}\n")
	file(CHMOD ${doc}/changelog PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ) # whatever the builder's umask
	execute_process(COMMAND gzip -9nf ${doc}/changelog COMMAND_ERROR_IS_FATAL ANY)
endforeach()
