package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"unsafe"
)

// needsDisk says why this machine cannot give a node a disk of its own; nil: it can.
func needsDisk() error {
	if os.Geteuid() != 0 {
		return errors.New("only root may mount a file as a disk")
	}
	for _, tool := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return fmt.Errorf("no loop devices: %w", err)
	}
	return nil
}

// disk is a file with an ext4 file system, mounted.
type disk struct {
	file, at string
	mounted  bool
}

// diskSize is in bytes. The file has holes: it takes what is written.
const diskSize = 2 << 30

// newDisk makes and mounts a disk, and puts the data of nodes on it. They must never have run.
func (x *field) newDisk(ctx context.Context, name string, nodes ...*Node) (*disk, error) {
	d := &disk{file: filepath.Join(x.w.Dir, name+".img"), at: filepath.Join(x.w.Dir, name)}
	if err := os.WriteFile(d.file, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(d.file, diskSize); err != nil {
		return nil, err
	}
	if err := run(ctx, "mkfs.ext4", "-q", "-F", d.file); err != nil {
		return nil, err
	}
	if err := os.Mkdir(d.at, 0o700); err != nil {
		return nil, err
	}
	if err := d.mount(ctx); err != nil {
		return nil, err
	}
	x.undo = append(x.undo, func() error { return d.unmount(context.WithoutCancel(ctx)) })
	for _, n := range nodes {
		at := filepath.Join(d.at, n.Name)
		if err := os.Mkdir(at, 0o700); err != nil {
			return nil, err
		}
		// The node may have a directory already, with what it is founded with.
		if err := os.CopyFS(at, os.DirFS(n.data())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if err := errors.Join(os.RemoveAll(n.data()), os.Symlink(at, n.data())); err != nil {
			return nil, err
		}
		if err := run(ctx, "sync", "-f", at); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func run(ctx context.Context, program string, args ...string) error {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %v: %w: %s", program, args, err, out)
	}
	return nil
}

// mount also replays the journal, as a machine does that starts after a power cut.
func (d *disk) mount(ctx context.Context) error {
	err := run(ctx, "mount", "-o", "loop", d.file, d.at)
	d.mounted = err == nil
	return err
}

func (d *disk) unmount(ctx context.Context) error {
	if !d.mounted {
		return nil
	}
	d.mounted = false
	return run(ctx, "umount", d.at)
}

// Requests of ioctl_ext4(2) and ioctl_fs(2).
const (
	ext4Shutdown     = 0x8004587d
	shutdownNoFlush  = 2
	freezeFilesystem = 0xc0045877
	thawFilesystem   = 0xc0045878
)

func (d *disk) ioctl(request, argument uint32) error {
	f, err := os.Open(d.at)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), uintptr(request), uintptr(unsafe.Pointer(&argument))); no != 0 {
		return fmt.Errorf("ioctl %#x on %s: %w", request, d.at, no)
	}
	return nil
}

// cutPower ends the file system without writing anything more, not even its journal: what was not synced is lost.
func (d *disk) cutPower() error { return d.ioctl(ext4Shutdown, shutdownNoFlush) }

// stall has every write wait until resume, and resume lets them go on.
func (d *disk) stall() error  { return d.ioctl(freezeFilesystem, 0) }
func (d *disk) resume() error { return d.ioctl(thawFilesystem, 0) }
