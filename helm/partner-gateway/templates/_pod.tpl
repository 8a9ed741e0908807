{{/* The pod's metadata and spec, of the StatefulSet and of the Deployment alike. */}}
{{- define "partner-gateway.pod" -}}
metadata:
  labels:
    {{- $labels := include "partner-gateway.labels" . | fromYaml }}
    {{- if .Values.workloadIdentity.enabled }}
    {{- $_ := set $labels "azure.workload.identity/use" "true" }}
    {{- end }}
    {{- merge (include "partner-gateway.selectorLabels" . | fromYaml) $labels .Values.podLabels | toYaml | nindent 4 }}
  annotations:
    {{- $own := dict "checksum/config" (include "partner-gateway.checksum" .) "kubectl.kubernetes.io/default-container" "gateway" }}
    {{- merge $own .Values.podAnnotations | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "partner-gateway.serviceAccountName" . }}
  automountServiceAccountToken: false
  # Variables of neighbouring services are none of the gateway's.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "partner-gateway.gracePeriod" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    {{- include "partner-gateway.ids" . | trim | nindent 4 }}
    # The modes of a journal that is there already are the gateway's own.
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  initContainers:
    - name: check
      args: [check, --config, {{ include "partner-gateway.configFile" . }}]
      {{- include "partner-gateway.container" . | nindent 6 }}
      resources:
        {{- toYaml .Values.checkResources | nindent 8 }}
  containers:
    - name: gateway
      args: [serve, --config, {{ include "partner-gateway.configFile" . }}]
      {{- include "partner-gateway.container" . | nindent 6 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      ports:
        - name: public
          containerPort: {{ include "partner-gateway.publicPort" . }}
          protocol: TCP
        - name: admin
          containerPort: {{ include "partner-gateway.adminPort" . }}
          protocol: TCP
      startupProbe:
        httpGet: {path: /livez, port: admin}
        {{- toYaml .Values.probes.startup | nindent 8 }}
      livenessProbe:
        httpGet: {path: /livez, port: admin}
        {{- toYaml .Values.probes.liveness | nindent 8 }}
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        {{- toYaml .Values.probes.readiness | nindent 8 }}
      {{- if .Values.shutdown.pauseSeconds }}
      lifecycle:
        preStop:
          # There is no shell to sleep in.
          sleep: {seconds: {{ int .Values.shutdown.pauseSeconds }}}
      {{- end }}
  {{- with (include "partner-gateway.spread" . | trim) }}
  topologySpreadConstraints:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumes:
    {{- include "partner-gateway.volumes" . | nindent 4 }}
{{- end -}}

{{/* A directory of its own, so that files of `files` can stand beside it in /etc/partner-gateway. */}}
{{- define "partner-gateway.configFile" -}}
/etc/partner-gateway/config/gateway.yaml
{{- end -}}

{{/* What both containers have: what is checked is what is served. */}}
{{- define "partner-gateway.container" -}}
image: {{ include "partner-gateway.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "partner-gateway.restricted" . | nindent 2 }}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- if .Values.reloadInPlace }}
  - {name: config, mountPath: /etc/partner-gateway/config, readOnly: true}
  {{- else }}
  # A file alone stays what it was when the container started, whatever becomes of the ConfigMap.
  - {name: config, mountPath: {{ include "partner-gateway.configFile" . }}, subPath: gateway.yaml, readOnly: true}
  {{- end }}
  - {name: data, mountPath: /var/lib/partner-gateway}
  {{- if eq (include "partner-gateway.apiAccess" .) "true" }}
  - {name: kubernetes-api, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  {{- end }}
  {{- range $name, $files := .Values.files }}
  - {name: files-{{ $name }}, mountPath: {{ $files.mountPath | quote }}, readOnly: true}
  {{- end }}
  {{- range $name, $token := .Values.serviceAccountTokens }}
  - {name: token-{{ $name }}, mountPath: {{ $token.mountPath | quote }}, readOnly: true}
  {{- end }}
{{- end -}}

{{/* Who the processes are; what is null is left to the cluster. */}}
{{- define "partner-gateway.ids" -}}
{{- range $key := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- with index $.Values.securityContext $key }}
{{ $key }}: {{ int64 . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "partner-gateway.restricted" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "partner-gateway.spread" -}}
{{- range $key, $when := dict "kubernetes.io/hostname" .Values.topologySpread.nodes "topology.kubernetes.io/zone" .Values.topologySpread.zones }}
{{- if $when }}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: {{ $when }}
  labelSelector:
    matchLabels:
      {{- include "partner-gateway.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "partner-gateway.volumes" -}}
- name: config
  configMap:
    name: {{ include "partner-gateway.fullname" . }}
{{- if not .Values.audit.persistence.enabled }}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.audit.persistence.size }}
{{- end }}
{{- if eq (include "partner-gateway.apiAccess" .) "true" }}
- name: kubernetes-api
  projected:
    defaultMode: 288 # 0440, which YAML 1.1 and 1.2 read as two numbers
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
{{- end }}
{{- range $name, $token := .Values.serviceAccountTokens }}
- name: token-{{ $name }}
  projected:
    defaultMode: 288 # 0440, which YAML 1.1 and 1.2 read as two numbers
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ $token.audience | quote }}
          expirationSeconds: {{ int (default 3600 $token.expirationSeconds) }}
{{- end }}
{{- range $name, $files := .Values.files }}
- name: files-{{ $name }}
  {{- if $files.csi }}
  csi:
    driver: {{ $files.csi.driver }}
    readOnly: true
    volumeAttributes:
      secretProviderClass: {{ $files.csi.secretProviderClass | quote }}
  {{- else }}
  projected:
    defaultMode: 288 # 0440, which YAML 1.1 and 1.2 read as two numbers
    sources:
      {{- if $files.projected }}
      {{- toYaml $files.projected | nindent 6 }}
      {{- else }}
      - {{ ternary "secret" "configMap" (not (empty $files.existingSecret)) }}:
          name: {{ default $files.existingConfigMap $files.existingSecret | quote }}
          {{- with $files.items }}
          items:
            {{- range $key, $path := . }}
            - {key: {{ $key | quote }}, path: {{ $path | quote }}}
            {{- end }}
          {{- end }}
      {{- end }}
  {{- end }}
{{- end }}
{{- end -}}
