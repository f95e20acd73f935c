package tlog

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

const (
	edgeDir  = "edge"
	tileDir  = "tile"
	markPath = edgeDir + "/mark"

	// entriesLevel stands for the entry bundles where a level of hash tiles could stand.
	entriesLevel = -1
)

// tilePath is the path of a tile or bundle as C2SP tlog-tiles gives it. width is
// tileWidth for a full one.
func tilePath(level int, n uint64, width int) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	if width != tileWidth {
		name += ".p/" + strconv.Itoa(width)
	}
	return levelDir(level) + "/" + name
}

func levelDir(level int) string {
	if level == entriesLevel {
		return tileDir + "/entries"
	}
	return tileDir + "/" + strconv.Itoa(level)
}

// parseTilePath is the strict inverse of tilePath.
func parseTilePath(p string) (level int, n uint64, width int, ok bool) {
	f := strings.Split(p, "/")
	if len(f) < 3 || len(f) > 9 || f[0] != tileDir {
		return 0, 0, 0, false
	}
	level = entriesLevel
	if f[1] != "entries" {
		l, err := strconv.ParseUint(f[1], 10, 8)
		if err != nil || l >= maxLevels {
			return 0, 0, 0, false
		}
		level = int(l)
	}
	width = tileWidth
	if dir, part := strings.CutSuffix(f[len(f)-2], ".p"); part {
		w, err := strconv.ParseUint(f[len(f)-1], 10, 16)
		if err != nil || w == 0 || w >= tileWidth {
			return 0, 0, 0, false
		}
		width = int(w)
		f = append(f[:len(f)-2:len(f)-2], dir)
	}
	for _, s := range f[2:] {
		d, err := strconv.ParseUint(strings.TrimPrefix(s, "x"), 10, 16)
		if err != nil || d >= 1000 || n > MaxSize/1000 {
			return 0, 0, 0, false
		}
		n = n*1000 + d
	}
	return level, n, width, tilePath(level, n, width) == p
}

// edgePath is the path of the growing bundle n.
func edgePath(n uint64) string { return path.Join(edgeDir, strconv.FormatUint(n, 10)) }
