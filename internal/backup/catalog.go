package backup

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const readers = 8 // manifests that are read side by side

// List gives the manifests of all backups, the newest first. One whose manifest can't be read, or that lacks a file, is
// there with an error and its reason Corrupt.
func List(ctx context.Context, s Storage) ([]Manifest, error) {
	all, _, err := list(ctx, s)
	return all, err
}

// list gives the files too.
func list(ctx context.Context, s Storage) ([]Manifest, []File, error) {
	files, err := s.List(ctx)
	if err != nil {
		return nil, nil, interrupted(ctx, err)
	}
	var names []string
	modified := map[string]time.Time{}
	for _, f := range files {
		if name := backupOf(f.Name); name != "" && f.Name == manifestFile(name) && !f.Unfinished {
			names = append(names, name)
			modified[name] = f.Modified
		}
	}
	read := make([]*Manifest, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, name := range names {
		group.Go(func() error {
			m, err := ReadManifest(ctx, s, name)
			switch ReasonOf(err) {
			case NotFound: // deleted meanwhile
				return nil
			case Corrupt:
				m = Manifest{Name: name, Location: s.Location(), StartedAt: modified[name].UTC()}.with(err)
			case "":
				if err := m.whole(files); err != nil {
					m = m.with(err)
				}
			default:
				return err
			}
			read[i] = &m
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	var all []Manifest
	for _, m := range read {
		if m != nil {
			all = append(all, *m)
		}
	}
	slices.SortFunc(all, newestFirst)
	return all, files, nil
}

func newestFirst(a, b Manifest) int {
	return cmp.Or(b.StartedAt.Compare(a.StartedAt), strings.Compare(b.Name, a.Name))
}

// whole says whether the storage holds what the manifest names; else it is Corrupt.
func (m *Manifest) whole(files []File) error {
	for _, s := range m.Shards {
		i := slices.IndexFunc(files, func(f File) bool { return f.Name == s.File && !f.Unfinished })
		switch {
		case i < 0:
			return failure(Corrupt, "%s is missing", s.File)
		case files[i].Size != s.Size:
			return failure(Corrupt, "%s has %d bytes, and %d were stored", s.File, files[i].Size, s.Size)
		}
	}
	return nil
}

// Delete deletes a backup, its manifest first; gone already is fine.
func Delete(ctx context.Context, s Storage, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := s.Delete(ctx, File{Name: manifestFile(name)}); err != nil {
		return interrupted(ctx, err)
	}
	files, err := s.List(ctx)
	for _, f := range files {
		if backupOf(f.Name) == name && !f.Unfinished {
			err = errors.Join(err, s.Delete(ctx, f))
		}
	}
	return interrupted(ctx, err)
}
