// A reverse proxy that logs users in by OpenID Connect and tells the server behind it who they are, in the way in which
// oauth2-proxy documents that it does. It is made for tests of that server: it lacks whatever they do not need.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const cookieName = "_oauth2_proxy"

// Who sent a request.
type session struct {
	User, Email, PreferredUsername string
	Groups                         []string
}

type proxy struct {
	options   options
	accounts  map[string]string
	login     oauth2.Config
	verifier  *oidc.IDTokenVerifier
	client    *http.Client
	upstream  http.Handler
	encrypted cipher.AEAD
}

func main() {
	found, err := parse(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	made, err := newProxy(found)
	if err != nil {
		log.Fatal(err)
	}
	if address := found.values["https-address"]; found.values["tls-cert-file"] != "" {
		log.Fatal(http.ListenAndServeTLS(address, found.values["tls-cert-file"], found.values["tls-key-file"], made))
	}
	log.Fatal(http.ListenAndServe(found.values["http-address"], made))
}

func newProxy(o options) (*proxy, error) {
	known, err := accounts(o.values["htpasswd-file"])
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 15 * time.Second}
	if file := o.values["provider-ca-file"]; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s", file)
		}
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(context.Background(), client), o.values["oidc-issuer-url"])
	if err != nil {
		return nil, err
	}
	upstream, err := url.Parse(o.values["upstream"])
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher([]byte(o.values["cookie-secret"]))
	if err != nil {
		return nil, err
	}
	encrypted, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &proxy{
		options:   o,
		accounts:  known,
		client:    client,
		encrypted: encrypted,
		// The audience is checked here, since there may be several.
		verifier: provider.Verifier(&oidc.Config{SkipClientIDCheck: true}),
		upstream: &httputil.ReverseProxy{Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(upstream)
			request.Out.Host = request.In.Host
			request.Out.Header["X-Forwarded-For"] = request.In.Header["X-Forwarded-For"]
		}},
		login: oauth2.Config{
			ClientID:     o.values["client-id"],
			ClientSecret: o.values["client-secret"],
			Endpoint:     provider.Endpoint(),
			RedirectURL:  o.values["redirect-url"],
			Scopes:       strings.Fields(o.values["scope"]),
		},
	}, nil
}

func (p *proxy) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	prefix, path := p.options.values["proxy-prefix"], request.URL.Path
	switch {
	case path == "/ping":
		fmt.Fprintln(writer, "OK")
	case matches(p.options.values["skip-auth-route"], request.Method, path):
		p.forward(writer, request, nil)
	case path == prefix+"/start":
		p.start(writer, request, request.URL.Query().Get("rd"))
	case path == prefix+"/callback":
		p.callback(writer, request)
	default:
		found := p.session(request)
		if found == nil && matches(p.options.values["api-route"], request.Method, path) {
			http.Error(writer, "Unauthorized", http.StatusUnauthorized)
		} else if found == nil {
			p.start(writer, request, request.URL.RequestURI())
		} else if !p.allowed(found) {
			http.Error(writer, "Forbidden", http.StatusForbidden)
		} else {
			p.forward(writer, request, found)
		}
	}
}

// Passes a request on with the headers that name its sender, in place of those that it came with.
func (p *proxy) forward(writer http.ResponseWriter, request *http.Request, sender *session) {
	for name := range request.Header {
		plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if plain == "authorization" || strings.HasPrefix(plain, "x-forwarded-") {
			delete(request.Header, name)
		}
	}
	if sender != nil {
		for name, value := range map[string]string{
			"X-Forwarded-User": sender.User, "X-Forwarded-Email": sender.Email,
			"X-Forwarded-Preferred-Username": sender.PreferredUsername,
			"X-Forwarded-Groups":             strings.Join(sender.Groups, ","),
		} {
			if value != "" && p.options.is("pass-user-headers") {
				request.Header.Set(name, value)
			}
		}
		if p.options.is("pass-basic-auth") {
			request.SetBasicAuth(sender.User, p.options.values["basic-auth-password"])
		}
	}
	p.upstream.ServeHTTP(writer, request)
}

func (p *proxy) session(request *http.Request) *session {
	if name, password, ok := request.BasicAuth(); ok {
		if hash, known := p.accounts[name]; known && subtle.ConstantTimeCompare([]byte(hash), []byte(hashed(password))) == 1 {
			return &session{User: name, Groups: p.options.lists["htpasswd-user-group"]}
		}
		return nil
	}
	if token, ok := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer "); ok {
		if !p.options.is("skip-jwt-bearer-tokens") {
			return nil
		}
		found, _, err := p.verified(request.Context(), token)
		if err != nil {
			log.Print(err)
			return nil
		}
		return found
	}
	cookie, err := request.Cookie(cookieName)
	if err != nil {
		return nil
	}
	var found session
	if json.Unmarshal(p.opened(cookie.Value), &found) != nil {
		return nil
	}
	return &found
}

func (p *proxy) verified(ctx context.Context, raw string) (*session, *oidc.IDToken, error) {
	token, err := p.verifier.Verify(oidc.ClientContext(ctx, p.client), raw)
	if err != nil {
		return nil, nil, err
	}
	audiences := append([]string{p.login.ClientID}, p.options.lists["oidc-extra-audience"]...)
	if !slices.ContainsFunc(token.Audience, func(audience string) bool { return slices.Contains(audiences, audience) }) {
		return nil, nil, fmt.Errorf("audience %v is not accepted", token.Audience)
	}
	var claims struct {
		Email             string `json:"email"`
		Verified          *bool  `json:"email_verified"`
		PreferredUsername string `json:"preferred_username"`
	}
	more := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return nil, nil, err
	}
	if err := token.Claims(&more); err != nil {
		return nil, nil, err
	}
	if claims.Verified != nil && !*claims.Verified {
		return nil, nil, fmt.Errorf("email in id_token (%s) isn't verified", claims.Email)
	}
	found := &session{User: token.Subject, Email: claims.Email, PreferredUsername: claims.PreferredUsername}
	if groups, ok := more[p.options.values["oidc-groups-claim"]].([]any); ok {
		for _, group := range groups {
			found.Groups = append(found.Groups, fmt.Sprint(group))
		}
	}
	return found, token, nil
}

func (p *proxy) allowed(found *session) bool {
	if _, domain, ok := strings.Cut(found.Email, "@"); ok {
		domains := p.options.lists["email-domain"]
		if !slices.Contains(domains, "*") && !slices.Contains(domains, domain) {
			return false
		}
	}
	groups := p.options.lists["allowed-group"]
	return len(groups) == 0 || slices.ContainsFunc(found.Groups, func(group string) bool { return slices.Contains(groups, group) })
}

// What must come back with a browser that was sent to the provider.
type pending struct{ State, Verifier, Nonce, Page string }

func (p *proxy) start(writer http.ResponseWriter, request *http.Request, page string) {
	if !strings.HasPrefix(page, "/") || strings.HasPrefix(page, "//") {
		page = "/"
	}
	sent := pending{rand.Text(), oauth2.GenerateVerifier(), rand.Text(), page}
	p.cookie(writer, cookieName+"_csrf", sent, 15*time.Minute)
	address := p.login.AuthCodeURL(sent.State, oauth2.S256ChallengeOption(sent.Verifier), oidc.Nonce(sent.Nonce))
	http.Redirect(writer, request, address, http.StatusFound)
}

func (p *proxy) callback(writer http.ResponseWriter, request *http.Request) {
	var sent pending
	cookie, err := request.Cookie(cookieName + "_csrf")
	if err != nil || json.Unmarshal(p.opened(cookie.Value), &sent) != nil || request.FormValue("state") != sent.State {
		http.Error(writer, "unable to find a valid CSRF token", http.StatusForbidden)
		return
	}
	ctx := oidc.ClientContext(request.Context(), p.client)
	tokens, err := p.login.Exchange(ctx, request.FormValue("code"), oauth2.VerifierOption(sent.Verifier))
	if err != nil {
		http.Error(writer, "error redeeming code: "+err.Error(), http.StatusInternalServerError)
		return
	}
	raw, _ := tokens.Extra("id_token").(string)
	found, token, err := p.verified(ctx, raw)
	if err != nil || token.Nonce != sent.Nonce {
		http.Error(writer, fmt.Sprint("token refused: ", err), http.StatusInternalServerError)
		return
	}
	if !p.allowed(found) {
		http.Error(writer, "Forbidden", http.StatusForbidden)
		return
	}
	p.cookie(writer, cookieName, found, 168*time.Hour)
	http.Redirect(writer, request, sent.Page, http.StatusFound)
}

func (p *proxy) cookie(writer http.ResponseWriter, name string, content any, lasts time.Duration) {
	text, _ := json.Marshal(content)
	nonce := make([]byte, p.encrypted.NonceSize())
	_, _ = rand.Read(nonce)
	value := base64.RawURLEncoding.EncodeToString(p.encrypted.Seal(nonce, nonce, text, nil))
	http.SetCookie(writer, &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, Secure: p.options.is("cookie-secure"), MaxAge: int(lasts.Seconds()),
		SameSite: http.SameSiteLaxMode,
	})
}

func (p *proxy) opened(value string) []byte {
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if size := p.encrypted.NonceSize(); err == nil && len(sealed) > size {
		text, err := p.encrypted.Open(nil, sealed[:size], sealed[size:], nil)
		if err == nil {
			return text
		}
	}
	return nil
}
