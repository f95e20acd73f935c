//go:build !linux

package testnet

import (
	"context"
	"errors"
)

var errNoDisk = errors.New("power cuts and stalled disks are made by means of Linux")

func needsDisk() error { return errNoDisk }

// disk is nothing here.
type disk struct{}

func (*field) newDisk(context.Context, string, ...*Node) (*disk, error) { return nil, errNoDisk }

func (*disk) mount(context.Context) error   { return errNoDisk }
func (*disk) unmount(context.Context) error { return errNoDisk }
func (*disk) cutPower() error               { return errNoDisk }
func (*disk) stall() error                  { return errNoDisk }
func (*disk) resume() error                 { return errNoDisk }
