package enginetest

// Chromium gives the command of a Chromium that shows no window, with its arguments.
func Chromium(t TB) []string {
	t.Helper()
	needEngines(t)
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if command, err := installed(name); err == nil {
			return command
		}
	}
	t.Fatalf("chromium is not installed: run `make engines`, or the tests with -short")
	return nil
}
