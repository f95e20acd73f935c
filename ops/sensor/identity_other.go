//go:build !unix

package sensor

import "io/fs"

// identity is not known on this system: a file is known again by its content.
func identity(fs.FileInfo) (device, inode uint64) { return 0, 0 }
