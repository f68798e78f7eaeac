package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInstallCopiesThisProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 { // a pod whose init container runs again finds the first copy
		if code, _, errs := said(t, nil, "install", dir); code != 0 {
			t.Fatal(code, errs)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join(dir, "chat"))
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("the copy is another program: %v, %d and not %d bytes", err, len(have), len(want))
	}
	info, err := os.Stat(filepath.Join(dir, "chat"))
	if err != nil || info.Mode().Perm() != 0o555 {
		t.Error(info.Mode(), err)
	}
	files := 1
	if authorities, err := os.ReadFile(certificates); err == nil {
		files = 2
		if have, err := os.ReadFile(filepath.Join(dir, "ca-certificates.crt")); err != nil || !bytes.Equal(have, authorities) {
			t.Errorf("the certificates are others: %v", err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != files {
		t.Errorf("%d files are left, %v", len(entries), err)
	}
}

func TestInstallSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	if code, _, errs := said(t, nil, "install"); code != 2 || !strings.Contains(errs, "usage: chat install FOLDER") {
		t.Error(code, errs)
	}
	if code, _, errs := said(t, nil, "install", filepath.Join(t.TempDir(), "missing")); code != 1 || !strings.Contains(errs, "no such file") {
		t.Error(code, errs)
	}
}
