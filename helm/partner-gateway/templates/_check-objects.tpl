{{/* Names that Kubernetes would refuse: a Service's begins with a letter and has no dots. */}}
{{- define "partner-gateway.checkNames" -}}
{{- $full := include "partner-gateway.fullname" . -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $full) -}}
{{- fail (printf "\n\nObjects would be named %q; accepted: a small letter first, then small letters, digits and hyphens. fullnameOverride names them otherwise." $full) -}}
{{- end -}}
{{- end -}}

{{- define "partner-gateway.checkScaling" -}}
{{- with .Values.autoscaling -}}
{{- if .enabled -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail (printf "\n\nautoscaling.minReplicas is %d, and maxReplicas %d. Accepted: no more than that." (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if not (dig "cpu" nil (default dict $.Values.resources.requests)) -}}
{{- fail "\n\nautoscaling.enabled is true, but resources.requests.cpu, of which it takes the share, is missing." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* No directory is mounted on, in or around another: the inner one could not be made. */}}
{{- define "partner-gateway.checkMounts" -}}
{{- $taken := dict -}}
{{- range $path := list "/etc/partner-gateway/config" "/var/lib/partner-gateway" "/var/run/secrets/kubernetes.io/serviceaccount" "/usr" "/bin" "/sbin" "/lib" "/lib64" "/proc" "/sys" "/dev" -}}
{{- $_ := set $taken $path "taken" -}}
{{- end -}}
{{- range $kind := list "files" "serviceAccountTokens" -}}
{{- range $name, $mounted := index $.Values $kind -}}
{{- $key := printf "%s.%s.mountPath" $kind $name -}}
{{- $path := clean $mounted.mountPath -}}
{{- range $other, $by := $taken -}}
{{- if or (eq $path $other) (hasPrefix (printf "%s/" $other) $path) (hasPrefix (printf "%s/" $path) $other) -}}
{{- fail (printf "\n\n%s is %q, but %s is %s. Accepted: a directory that is neither in nor around another." $key $mounted.mountPath $other $by) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $taken $path (printf "that of %s" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "partner-gateway.checkPorts" -}}
{{- $public := include "partner-gateway.publicPort" . -}}
{{- if eq $public (include "partner-gateway.adminPort" .) -}}
{{- fail (printf "\n\nconfig.server.listen and config.admin.listen both have the port %s. Accepted: one each." $public) -}}
{{- end -}}
{{- with .Values.service -}}
{{- if and (ne .type "LoadBalancer") (or .loadBalancerClass .loadBalancerSourceRanges) -}}
{{- fail (printf "\n\nservice.type is %s, but loadBalancerClass and loadBalancerSourceRanges are of a LoadBalancer." .type) -}}
{{- end -}}
{{- if and (eq .type "ClusterIP") .externalTrafficPolicy -}}
{{- fail "\n\nservice.type is ClusterIP, but externalTrafficPolicy is of a NodePort or a LoadBalancer." -}}
{{- end -}}
{{- end -}}
{{- if .Values.networkPolicy.enabled -}}
{{- include "partner-gateway.checkReach" . -}}
{{- end -}}
{{- end -}}

{{/* Microsoft's endpoints and issuers are let out to on 443 only; whoever has them elsewhere must say where. */}}
{{- define "partner-gateway.checkReach" -}}
{{- $urls := dict -}}
{{- range $name, $account := .Values.config.accounts -}}
{{- range $key := list "authority" "api" -}}
{{- $_ := set $urls (printf "config.accounts.%s.endpoints.%s" $name $key) (dig "endpoints" $key "" $account) -}}
{{- end -}}
{{- $_ := set $urls (printf "config.accounts.%s.refresh_token.key_vault.vault_url" $name) (dig "refresh_token" "key_vault" "vault_url" "" $account) -}}
{{- end -}}
{{- range $index, $issuer := .Values.config.callers.issuers -}}
{{- $_ := set $urls (printf "config.callers.issuers[%d].jwks.url" $index) (dig "jwks" "url" "" $issuer) -}}
{{- if dig "jwks" "discovery" false $issuer -}}
{{- $_ := set $urls (printf "config.callers.issuers[%d].issuer" $index) $issuer.issuer -}}
{{- end -}}
{{- end -}}
{{- $open := list 443 -}}
{{- if eq (include "partner-gateway.apiAccess" .) "true" -}}{{- $open = concat $open .Values.networkPolicy.egress.kubernetesApiPorts -}}{{- end -}}
{{- range $key, $url := $urls -}}
{{- if and $url (not (regexMatch "^https?://(localhost|127\\.|\\[::1\\])" $url)) -}}
{{- range $port := include "partner-gateway.ports" (dict "urls" (list $url) "schemes" (dict "http" 80 "https" 443)) | fromJsonArray -}}
{{- $isOpen := eq (include "partner-gateway.isOpen" (list (int $port) $open $.Values.networkPolicy.egress.extra)) "true" -}}
{{- if not $isOpen -}}
{{- fail (printf "\n\n%s is on port %d, which the network policy keeps pods from. Accepted: 443, or a rule for it in networkPolicy.egress.extra." $key (int $port)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" where a port is among those that are open or in a further rule. Takes a list of port, ports and rules. */}}
{{- define "partner-gateway.isOpen" -}}
{{- $port := index . 0 -}}
{{- $open := false -}}
{{- range index . 1 -}}{{- if eq (int .) $port -}}{{- $open = true -}}{{- end -}}{{- end -}}
{{- range index . 2 -}}
{{- if not .ports -}}{{- $open = true -}}{{- end -}}
{{- range .ports -}}
{{- if and (le (int .port) $port) (le $port (int (default .port .endPort))) -}}{{- $open = true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $open -}}
{{- end -}}
