package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// The options that are understood, with their defaults; any other is an error, as it is to oauth2-proxy.
// https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview
var defaults = map[string]string{
	"provider": "google", "oidc-issuer-url": "", "provider-ca-file": "", "redirect-url": "", "proxy-prefix": "/oauth2",
	"upstream": "", "upstream-timeout": "30s", "htpasswd-file": "", "pass-basic-auth": "true", "pass-user-headers": "true",
	"skip-auth-strip-headers": "true", "skip-auth-route": "", "api-route": "", "skip-provider-button": "false",
	"skip-jwt-bearer-tokens": "false", "oidc-groups-claim": "groups", "code-challenge-method": "", "cookie-secure": "true",
	"cookie-samesite": "", "silence-ping-logging": "false", "exclude-logging-path": "", "http-address": "127.0.0.1:4180",
	"https-address": ":443", "tls-cert-file": "", "tls-key-file": "", "client-id": "", "client-secret": "", "scope": "openid email profile",
	"cookie-secret": "", "basic-auth-password": "",
}

// Those that may be given several times, and whose environment variables end with an S.
var lists = []string{"email-domain", "oidc-extra-audience", "allowed-group", "htpasswd-user-group"}

type options struct {
	values map[string]string
	lists  map[string][]string
}

func parse(arguments []string) (options, error) {
	found := options{map[string]string{}, map[string][]string{}}
	for name, value := range defaults {
		if given, ok := os.LookupEnv(variable(name)); ok {
			value = given
		}
		found.values[name] = value
	}
	for _, name := range lists {
		if given := os.Getenv(variable(name) + "S"); given != "" {
			found.lists[name] = strings.Split(given, ",")
		}
	}
	for _, argument := range arguments {
		name, value, ok := strings.Cut(strings.TrimPrefix(argument, "--"), "=")
		if !ok {
			value = "true"
		}
		if slices.Contains(lists, name) {
			found.lists[name] = append(found.lists[name], strings.Split(value, ",")...)
		} else if _, known := defaults[name]; known {
			found.values[name] = value
		} else {
			return found, fmt.Errorf("unknown flag: --%s", name)
		}
	}
	for _, name := range []string{"client-id", "client-secret", "cookie-secret", "oidc-issuer-url"} {
		if found.values[name] == "" {
			return found, fmt.Errorf("missing setting: %s", name)
		}
	}
	if !slices.Contains([]int{16, 24, 32}, len(found.values["cookie-secret"])) {
		return found, fmt.Errorf("cookie_secret must be 16, 24, or 32 bytes to create an AES cipher")
	}
	if len(found.lists["email-domain"]) == 0 {
		return found, fmt.Errorf("missing setting for email validation: email-domain")
	}
	return found, nil
}

func variable(name string) string {
	return "OAUTH2_PROXY_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func (o options) is(name string) bool { return o.values[name] == "true" }

// Whether a request matches `METHOD=regular expression`, or the expression alone.
func matches(route, method, path string) bool {
	if route == "" {
		return false
	}
	if only, expression, ok := strings.Cut(route, "="); ok && regexp.MustCompile("^[A-Z]+$").MatchString(only) {
		return method == only && regexp.MustCompile(expression).MatchString(path)
	}
	return regexp.MustCompile(route).MatchString(path)
}

// Users and passwords of a file in the format of htpasswd, of which the hash SHA-1 is known here.
func accounts(file string) (map[string]string, error) {
	found := map[string]string{}
	if file == "" {
		return found, nil
	}
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	for lines := bufio.NewScanner(opened); lines.Scan(); {
		if name, hash, ok := strings.Cut(lines.Text(), ":{SHA}"); ok {
			found[name] = hash
		}
	}
	return found, nil
}

func hashed(password string) string {
	sum := sha1.Sum([]byte(password))
	return base64.StdEncoding.EncodeToString(sum[:])
}
