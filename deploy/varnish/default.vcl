# Varnish in front of the resolver, instead of nginx or behind whatever ends TLS. Hands on every handle as it came.
#   varnishd -a :80 -f /etc/varnish/default.vcl -s malloc,256m -p http_req_hdr_len=16k -p workspace_client=128k
#            -p http_resp_hdr_len=32k -p workspace_backend=128k
# The sizes are for handles of 8 KiB and for redirects to addresses of several. The resolver needs
# --trusted-proxies with the address of this Varnish.
vcl 4.1;

import std;

backend default {
    .host = "127.0.0.1";
    .port = "8000";
    .connect_timeout = 2s;
    # A lookup may take 8 s (--deadline).
    .first_byte_timeout = 15s;
    # Something that needs no lookup, and is counted as "static".
    .probe = {
        .url = "/robots.txt";
        .interval = 2s;
        .timeout = 1s;
        .window = 3;
        .threshold = 2;
        .initial = 2;
    }
}

# Visitors are believed what they say of themselves only if they are the proxy that ends TLS.
acl tls_proxies {
    "127.0.0.1";
}

sub vcl_recv {
    # Forwarded would count before the headers below.
    unset req.http.Forwarded;
    if (client.ip !~ tls_proxies) {
        # Varnish has put the visitor's address behind what the visitor said: only the former is true.
        set req.http.X-Forwarded-For = client.ip;
        set req.http.X-Forwarded-Proto = "http";
        unset req.http.X-Forwarded-Host;
    }
    # Pages do not depend on cookies, and Varnish would pass every request that has one.
    unset req.http.Cookie;
    # Answers past their time are for when the resolver is away; otherwise only while the next one is being fetched.
    if (std.healthy(req.backend_hint)) {
        set req.grace = 1s;
    }
}

sub vcl_hash {
    # Links are made of the scheme; the URL and the host are added by the code built in, as they came.
    hash_data(req.http.X-Forwarded-Proto);
    hash_data(req.http.X-Forwarded-Host);
}

sub vcl_backend_response {
    # An old answer rather than none while the resolver is away, for an hour.
    set beresp.grace = 1h;
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache-Status = "HIT";
    } else {
        set resp.http.X-Cache-Status = "MISS";
    }
}
