{{/* The pod's metadata and spec. */}}
{{- define "partner-gateway-nats.pod" -}}
metadata:
  labels:
    {{- merge (include "partner-gateway-nats.labels" . | fromYaml) .Values.podLabels | toYaml | nindent 4 }}
  annotations:
    checksum/config: {{ include "partner-gateway-nats.conf" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "partner-gateway-nats.fullname" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "partner-gateway-nats.gracePeriod" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ int64 .Values.securityContext.runAsUser }}
    runAsGroup: {{ int64 .Values.securityContext.runAsGroup }}
    fsGroup: {{ int64 .Values.securityContext.fsGroup }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: nats
      {{- include "partner-gateway-nats.container" . | nindent 6 }}
  {{- with (include "partner-gateway-nats.spread" . | trim) }}
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
    - name: config
      configMap:
        name: {{ include "partner-gateway-nats.fullname" . }}
    - name: accounts
      projected:
        defaultMode: 288 # 0440, which YAML 1.1 and 1.2 read as two numbers
        sources:
          - secret:
              name: {{ .Values.accounts.existingSecret | quote }}
              items: [{key: {{ .Values.accounts.key | quote }}, path: accounts.conf}]
    {{- with .Values.tls.existingSecret }}
    - name: tls
      projected:
        defaultMode: 288 # 0440, which YAML 1.1 and 1.2 read as two numbers
        sources:
          - secret:
              name: {{ . | quote }}
    {{- end }}
{{- end -}}

{{- define "partner-gateway-nats.container" -}}
image: {{ include "partner-gateway-nats.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
# To the image's entry point. Names are unique in a cluster, and survive restarts.
args: [--config, /etc/nats/nats.conf, --name, $(POD_NAME)]
env:
  - name: POD_NAME
    valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml .Values.resources | nindent 2 }}
ports:
  - {name: client, containerPort: 4222, protocol: TCP}
  {{- if gt (int .Values.replicas) 1 }}
  - {name: cluster, containerPort: 6222, protocol: TCP}
  {{- end }}
  - {name: monitoring, containerPort: 8222, protocol: TCP}
startupProbe:
  httpGet: {path: /healthz, port: monitoring}
  {{- toYaml .Values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet: {path: "/healthz?js-enabled-only=true", port: monitoring}
  {{- toYaml .Values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: "/healthz?js-server-only=true", port: monitoring}
  {{- toYaml .Values.probes.readiness | nindent 2 }}
lifecycle:
  preStop:
    # The server, process 1, goes on as a lame duck to its end; the SIGTERM that follows changes nothing then.
    exec: {command: [nats-server, --signal, ldm=1]}
volumeMounts:
  - {name: config, mountPath: /etc/nats/nats.conf, subPath: nats.conf, readOnly: true}
  - {name: accounts, mountPath: /etc/nats/accounts, readOnly: true}
  {{- if .Values.tls.existingSecret }}
  - {name: tls, mountPath: /etc/nats/tls, readOnly: true}
  {{- end }}
  - {name: data, mountPath: /var/lib/nats}
{{- end -}}

{{- define "partner-gateway-nats.spread" -}}
{{- range $key, $when := dict "kubernetes.io/hostname" .Values.topologySpread.nodes "topology.kubernetes.io/zone" .Values.topologySpread.zones }}
{{- if $when }}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: {{ $when }}
  labelSelector:
    matchLabels:
      {{- include "partner-gateway-nats.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}
